"""Plans, reports and mistakes as text or JSON. Rows are built once and formatted many ways; nothing is written."""

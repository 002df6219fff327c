"""Which of a plan's notices and hazards a status shows, and which of them are findings."""

from edgecerts.plan.model import HazardCode, NoticeCode

FOLDER_FILES = "folder-files"

SHOWN = frozenset(
    code.value
    for code in (
        NoticeCode.CA_ENDS_SOON,
        NoticeCode.CA_KEY_UNUSED,
        NoticeCode.NOT_JUDGED,
        NoticeCode.KEY_MISMATCH,
        NoticeCode.LOG_DAMAGED,
        NoticeCode.CRL_ENDS,
        NoticeCode.REVOKES_NOTHING,
        NoticeCode.REVOKES_AUTHORITY,
        NoticeCode.FOLDER_GROUP_WRITABLE,
        NoticeCode.MODES_NOT_KEPT,
        NoticeCode.UNREADABLE,
    )
)
"""Notices of a plan that are about what exists, and not about what is planned."""

FOLDER_FINDINGS = frozenset(
    code.value
    for code in (
        NoticeCode.INTERRUPTED,
        NoticeCode.INSECURE_FOLDER,
        NoticeCode.LOG_UNREADABLE,
        NoticeCode.LOG_CONTRADICTION,
        NoticeCode.CRL_UNMANAGED,
        NoticeCode.CRL_OF_ANOTHER_ENDS,
        NoticeCode.CRL_OF_ANOTHER_UNUSABLE,
        NoticeCode.REVOKED_NOT_IN_LOG,
        HazardCode.UNREVOKED,
        HazardCode.UNKNOWN_SERIAL,
        HazardCode.UNLISTABLE_SERIAL,
    )
)
"""Notices and hazards of a plan that are findings about the folder."""

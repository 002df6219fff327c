"""A plan as the file that is reviewed and carried out later; `schemas/saved-plan.schema.json` describes it."""

from edgecerts.plan.model import Plan
from edgecerts.plan.options import MISSING_KEYS, PlanOptions
from edgecerts.report.plan_json import change_document, plan_document, to_json
from edgecerts.saved.document import FORMAT_VERSION
from edgecerts.saved.model import Basis


def render_saved_plan(plan: Plan, basis: Basis, options: PlanOptions) -> str:
    """The plan's whole document, what it was made with and what it rests on."""
    missing_keys = [MISSING_KEYS] if options.replace_missing_keys else []
    return to_json(
        {
            "format_version": FORMAT_VERSION,
            "options": {
                "target": sorted(options.targets),
                "replace": sorted([*options.replace, *missing_keys]),
                "prune": options.prune,
            },
            "plan": plan_document(plan, [change_document(change) for change in plan.changes]),
            "basis": {
                "version": basis.version,
                "manifest": basis.manifest,
                "identities": [
                    {
                        "address": address,
                        "declared": identity.declared,
                        "files": identity.files,
                        "private_key": identity.private_key,
                    }
                    for address, identity in basis.identities.items()
                ],
            },
        }
    )

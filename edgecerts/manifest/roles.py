"""Roles: named sets of the keys of `defaults`, which entries and inventories refer to."""

from dataclasses import dataclass

from edgecerts.manifest.advice import nearest
from edgecerts.manifest.mistakes import Mistakes, cut
from edgecerts.manifest.nodes import Mapping, Node, Scalar
from edgecerts.manifest.settings import Settings, read_settings
from edgecerts.manifest.settings_rules import check_own_settings
from edgecerts.manifest.templates import Layer, given_paths, read_layer


@dataclass(frozen=True, kw_only=True, slots=True)
class Inherited:
    """What an entry takes from where it says nothing itself.

    Attributes:
        defaults: the settings of `defaults`.
        roles: the roles by name.
    """

    defaults: Settings
    roles: dict[str, Layer]

    def role(self, name: Scalar, mistakes: Mistakes) -> Layer | None:
        """The role that an entry or inventory names; None after a mistake."""
        found = self.roles.get(name)
        if found is None:
            hint = nearest(name, tuple(self.roles)) if self.roles else "write it under `roles` at the top level"
            mistakes.add(name.mark, f"there is no role `{cut(name)}`", hint)
        return found


def read_roles(node: Node | None, defaults: Settings, mistakes: Mistakes) -> Inherited:
    """Reads `roles`.

    Args:
        node: the mapping, already of the right structure; None or empty gives no roles.
        defaults: the settings of `defaults`.
        mistakes: where mistakes are noted.
    """
    roles = {}
    for name, role in node.items() if isinstance(node, Mapping) else ():
        keys = role if isinstance(role, Mapping) else Mapping(role.line, role.column)
        layer = read_layer(keys, mistakes)
        check_own_settings((layer.settings,), layer.settings.over(defaults), mistakes)
        roles[str(name)] = layer
    return Inherited(defaults=defaults, roles=roles)


def role_of_entry(name: str, keys: Mapping, inherited: Inherited, mistakes: Mistakes) -> Settings:
    """The settings of the role of an entry that is typed in the manifest, which has no column but its name.

    Args:
        name: the entry's.
        keys: the entry.
        inherited: the roles.
        mistakes: where mistakes are noted.
    """
    node = keys.get("role")
    if not isinstance(node, Scalar):
        return Settings()
    layer = inherited.role(node, mistakes)
    if layer is None:
        return Settings()
    given = given_paths(keys)
    unknown = [(column, template) for column, template in layer.columns(given) if column != "name"]
    for column, template in unknown:
        what = "a column" if template.secret else f"the column `{cut(column)}`"
        hint = "an entry that is typed here has {name} alone; give it another role"
        mistakes.add(node.mark, f"the role `{cut(node)}` needs {what} of an inventory for `{template.path}`", hint)
    if unknown or not layer.templates:
        return layer.settings
    filled = layer.fill(given, lambda _: Scalar(name, node.line, node.column, plain=False))
    return read_settings(filled, mistakes)

"""Launch templates, where moto and AWS differ: of the second version and later ones moto forgets the source and does not read the user data."""

from methods import replacing
from moto.core.responses import ActionResult
from moto.ec2.models.launch_templates import LaunchTemplate, LaunchTemplateBackend, LaunchTemplateVersion
from moto.ec2.responses.launch_templates import LaunchTemplates
from moto.ec2.utils import parse_user_data


@replacing(LaunchTemplate, "create_version")
def create_with_user_data(original, self: LaunchTemplate, data: dict, description: str) -> LaunchTemplateVersion:
    if isinstance(data.get("UserData"), str):
        data["UserData"] = parse_user_data(data["UserData"])
    return original(self, data, description)


@replacing(LaunchTemplateBackend, "create_launch_template")
def create_without_own_tags(original, self: LaunchTemplateBackend, name: str, description: str, data: dict, tag_spec: dict) -> LaunchTemplate:
    """moto adds the template's own tags to those that its instances get."""
    specifications = [each for each in data.pop("TagSpecifications", []) if each["ResourceType"] != "launch-template"]
    return original(self, name, description, {**data, **({"TagSpecifications": specifications} if specifications else {})}, tag_spec)


@replacing(LaunchTemplates, "create_launch_template_version")
def create_from_source(original, self: LaunchTemplates) -> ActionResult:
    if source := self._get_param("SourceVersion"):
        template = self.ec2_backend.get_launch_template(self._get_param("LaunchTemplateId"))
        self.params["LaunchTemplateData"] = {**template.get_version(source).data, **self._get_param("LaunchTemplateData", {})}
    return original(self)


# moto shows the tags of the creation for ever.
LaunchTemplate.tags = property(lambda self: self.get_tags(), lambda self, _: None)

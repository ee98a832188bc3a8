"""Launch templates, where moto and AWS differ: of the second version and later ones moto forgets the source and does not read the user data."""

from moto.core.responses import ActionResult
from moto.ec2.models.launch_templates import LaunchTemplate, LaunchTemplateBackend, LaunchTemplateVersion
from moto.ec2.responses.launch_templates import LaunchTemplates
from moto.ec2.utils import parse_user_data

create_version = LaunchTemplate.create_version
create_launch_template = LaunchTemplateBackend.create_launch_template
create_launch_template_version = LaunchTemplates.create_launch_template_version


def create_with_user_data(self: LaunchTemplate, data: dict, description: str) -> LaunchTemplateVersion:
    if isinstance(data.get("UserData"), str):
        data["UserData"] = parse_user_data(data["UserData"])
    return create_version(self, data, description)


def create_without_own_tags(self: LaunchTemplateBackend, name: str, description: str, data: dict, tag_spec: dict) -> LaunchTemplate:
    """moto adds the template's own tags to those that its instances get."""
    specifications = [each for each in data.pop("TagSpecifications", []) if each["ResourceType"] != "launch-template"]
    return create_launch_template(self, name, description, {**data, **({"TagSpecifications": specifications} if specifications else {})}, tag_spec)


def create_from_source(self: LaunchTemplates) -> ActionResult:
    if source := self._get_param("SourceVersion"):
        template = self.ec2_backend.get_launch_template(self._get_param("LaunchTemplateId"))
        self.params["LaunchTemplateData"] = {**template.get_version(source).data, **self._get_param("LaunchTemplateData", {})}
    return create_launch_template_version(self)


LaunchTemplate.create_version = create_with_user_data
LaunchTemplateBackend.create_launch_template = create_without_own_tags
LaunchTemplates.create_launch_template_version = create_from_source
# moto shows the tags of the creation for ever.
LaunchTemplate.tags = property(lambda self: self.get_tags(), lambda self, _: None)

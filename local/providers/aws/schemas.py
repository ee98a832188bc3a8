"""Prints what AWS takes as properties of the given resource types in a region: AWS's own schema of each, with those rules of cfn-lint that are
schemas too. Only what a validator reads is kept, and what CloudFormation says of a type's identity."""

import json
import os
import sys
from pathlib import Path

os.environ["XDG_CACHE_HOME"] = os.devnull  # the schemas of this version, not newer ones that were downloaded for other projects

import cfnlint
from cfnlint.jsonschema import StandardValidator
from cfnlint.rules import CloudFormationLintRule, Rules
from cfnlint.rules.formats.FormatKeyword import FormatKeyword
from cfnlint.rules.jsonschema.CfnLintJsonSchema import CfnLintJsonSchema
from cfnlint.rules.jsonschema.CfnLintJsonSchemaRegional import CfnLintJsonSchemaRegional
from cfnlint.rules.resources.iam.Policy import Policy
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

region, *types = sys.argv[1:]


def anchored(pattern: str) -> str:
    return pattern.replace("\\Z", "$")  # the end of the text, as JavaScript writes it


rules = Rules.create_from_directory(Path(cfnlint.__file__).parent / "rules").values()
validator = StandardValidator()
patterns = {rule.format_keyword: anchored(rule.pattern) for rule in rules if isinstance(rule, FormatKeyword) and rule.pattern}
formats = {*patterns, *validator.format_checker.checkers}
keywords = {*validator.validators, "definitions", "then", "else", "createOnlyProperties", "readOnlyProperties", "primaryIdentifier"}
# Schemas that others refer to, by their names.
shared = {}


def clean(schema):
    if isinstance(schema, list):
        return [clean(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {}
    for key, value in schema.items():
        if key not in keywords or (key == "format" and value not in formats):
            continue
        if key in ("properties", "patternProperties", "definitions"):
            kept[key] = {name: clean(inner) for name, inner in value.items()}
        elif key == "pattern":
            kept[key] = anchored(value)
        else:
            kept[key] = value if key in ("enum", "const", "required", "dependentRequired") else clean(value)
    return kept


def share(name, schema):
    shared[name] = {"$id": name, **clean(schema)}
    return {"$ref": name}


def schema_of(rule: CloudFormationLintRule):
    """The schema that a rule goes by, where it goes by one."""
    if isinstance(rule, Policy):
        share("policy", rule.resolver.store["policy"])
        return share(rule.id, rule.identity_schema)
    if isinstance(rule, CfnLintJsonSchemaRegional):
        found = rule.schema.get(region, {})
        return share(rule.id, found) if found else {}
    return clean(rule.schema) if isinstance(rule, CfnLintJsonSchema) else {}


def within(path: list[str], schema):
    """The schema of an object in which this one holds at a path such as BlockDeviceMappings/*/Ebs."""
    if not path:
        return schema
    inner = within(path[1:], schema)
    return {"items": inner} if path[0] == "*" else {"properties": {path[0]: inner}}


def rules_of(resource_type: str):
    for rule in rules:
        for keyword in getattr(rule, "keywords", None) or []:
            _, _, path = str(keyword).partition(f"Resources/{resource_type}/Properties")
            if path.startswith("/") or str(keyword).endswith(f"/{resource_type}/Properties"):
                schema = schema_of(rule) if rule.id.startswith("E") else {}
                if schema:
                    yield within([part for part in path.split("/") if part], schema)


resources = {}
tagging = next(share(rule.id, rule._schema) for rule in rules if rule.id == "E3024")
for resource_type in sorted(types):
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(region, resource_type).schema
    own = [tagging] if schema.get("tagging", {}).get("taggable") else []
    resources[resource_type] = {**clean(schema), "allOf": [*clean(schema.get("allOf", [])), *own, *rules_of(resource_type)]}

text = json.dumps([resources, shared])
used = {name: pattern for name, pattern in sorted(patterns.items()) if json.dumps(name) in text}
print(json.dumps({"region": region, "formats": used, "shared": shared, "resources": resources}, indent=1))

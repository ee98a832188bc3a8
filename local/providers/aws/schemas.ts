import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { AnySchemaObject } from "ajv";

/** What AWS takes as the properties of resources, as JSON schemas; `local/providers/aws/schemas.py` makes the file. */
export const schemas: {
  readonly region: string;
  /** The patterns of the formats that the schemas name. */
  readonly formats: Readonly<Record<string, string>>;
  /** Schemas to which others refer: those of policies and tags. */
  readonly shared: Readonly<Record<string, AnySchemaObject>>;
  /** By CloudFormation's name of the type, such as `AWS::EC2::SecurityGroup`. */
  readonly resources: Readonly<Record<string, AnySchemaObject>>;
} = JSON.parse(readFileSync(join(import.meta.dirname, "schemas.json"), "utf8"));

/** A rule that holds where another one does. */
export const when = (condition: AnySchemaObject, rule: AnySchemaObject, otherwise: AnySchemaObject = {}) => ({
  if: condition,
  // biome-ignore lint/suspicious/noThenProperty: JSON Schema's word
  then: rule,
  else: otherwise,
});

/** @throws Error that says how to get the schema of a type that is new here. */
export function schemaOf(type: string): AnySchemaObject {
  const schema = schemas.resources[type];
  if (schema === undefined)
    throw new Error(`no schema of ${type} in local/providers/aws/schemas.json: CONTRIBUTING.md, cfn-lint`);
  return schema;
}

/** The schema of a property, by the names and list indices that lead to it; undefined where AWS has no such property. */
export function propertySchema(type: string, path: readonly string[]): AnySchemaObject | undefined {
  const root = schemaOf(type);
  let schema: AnySchemaObject | undefined = root;
  for (const step of path) {
    schema = /^\d+$/.test(step) ? schema?.items : schema?.properties?.[step];
    if (schema?.$ref) schema = root.definitions[schema.$ref.replace("#/definitions/", "")];
  }
  return schema;
}

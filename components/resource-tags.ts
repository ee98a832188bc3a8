import * as pulumi from "@pulumi/pulumi";

/**
 * The types of this program that take no tags, and a VPC's default group. AWS makes that one, without tags: a policy that lets it be tagged
 * would do so for every such group of the account.
 */
const withoutTags = new Set([
  "aws:autoscaling/policy:Policy",
  "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
  "aws:ec2/route:Route",
  "aws:ec2/routeTableAssociation:RouteTableAssociation",
  "aws:ecr/lifecyclePolicy:LifecyclePolicy",
  "aws:ecr/repositoryPolicy:RepositoryPolicy",
  "aws:iam/rolePolicy:RolePolicy",
]);

/**
 * Gives these tags to every resource of AWS, beside its own, and to what an instance, a launch template or a group makes. Must be called before
 * the first resource is made.
 *
 * The provider's `defaultTags` do not reach `volumeTags`, and would tag the VPC's default group. A transform instead of this transformation
 * would cost a call from the engine for each resource in every command.
 */
export function tagEveryResource(tags: Readonly<Record<string, string>>): void {
  const all = (own: object | undefined) => ({ ...tags, ...own });
  pulumi.runtime.registerStackTransformation(({ type, props, opts }) => {
    if (!type.startsWith("aws:") || withoutTags.has(type)) return undefined;
    if (type === "aws:autoscaling/group:Group") {
      const made = Object.entries(tags).map(([key, value]) => ({ key, value, propagateAtLaunch: true }));
      return { props: { ...props, tags: [...made, ...(props.tags ?? [])] }, opts };
    }
    const volumeTags = props.volumeTags && { volumeTags: all(props.volumeTags) };
    const tagSpecifications = props.tagSpecifications && {
      tagSpecifications: props.tagSpecifications.map((made: { tags: object }) => ({ ...made, tags: all(made.tags) })),
    };
    return { props: { ...props, tags: all(props.tags), ...volumeTags, ...tagSpecifications }, opts };
  });
}

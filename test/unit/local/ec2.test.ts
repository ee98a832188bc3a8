import { expect, test } from "vitest";
import { rulesOf } from "../../../local/services/ec2/firewall.ts";
import { gatewayFor } from "../../../local/services/ec2/machine.ts";

test("each loopback address has a subnet of its own in 240.0.0.0/4", () => {
  expect(gatewayFor("127.18.0.11")).toBe("241.32.0.177/28");
  expect(gatewayFor("127.18.0.12")).toBe("241.32.0.193/28");
  expect(gatewayFor("127.255.255.255")).toBe("255.255.255.241/28");
});

const http = {
  IpProtocol: "tcp",
  FromPort: 80,
  ToPort: 80,
  IpRanges: [{ CidrIp: "10.0.0.0/8" }, { CidrIp: "1.2.3.4/32" }],
};

test.each([
  [
    "a port, from each range",
    http,
    ["-s 10.0.0.0/8 -d A -p tcp --dport 80:80 -j ACCEPT", "-s 1.2.3.4/32 -d A -p tcp --dport 80:80 -j ACCEPT"],
  ],
  ["every protocol", { IpProtocol: "-1", IpRanges: [{ CidrIp: "0.0.0.0/0" }] }, ["-s 0.0.0.0/0 -d A -j ACCEPT"]],
  [
    "ICMP, whose type is no port",
    { IpProtocol: "icmp", FromPort: 8, ToPort: -1, IpRanges: [{ CidrIp: "0.0.0.0/0" }] },
    ["-s 0.0.0.0/0 -d A -p icmp -j ACCEPT"],
  ],
  ["nothing", { IpProtocol: "tcp", FromPort: 80, ToPort: 80, IpRanges: [] }, []],
])("a security group that allows %s; the rest is dropped", (_, permission, allowed) => {
  expect(rulesOf({ address: "A", permissions: [permission] })).toEqual([...allowed, "-d A -j DROP"]);
});

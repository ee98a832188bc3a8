/** A line of cloud-init's in a machine's console, as systemd writes it there. */
export const consoleLine = (text: string, uptime: number): string =>
  `[${uptime.toFixed(6).padStart(12)}] cloud-init[1618]: ${text}\r\n`;

/**
 * What Amazon Linux 2023 prints once the user data has ended: more lines than one wants to see of a console.
 * The order is that of https://github.com/canonical/cloud-init/blob/main/config/cloud.cfg.tmpl, the keys are no keys.
 */
export function afterUserData(status: string, hostName: string, uptime: number): string {
  const now = new Date();
  const failed = [
    "cc_scripts_user.py[WARNING]: Failed to run module scripts-user (scripts in /var/lib/cloud/instance/scripts)",
    "util.py[WARNING]: Running module scripts-user (<module 'cloudinit.config.cc_scripts_user' from '/usr/lib/python3.9/site-packages/cloudinit/config/cc_scripts_user.py'>) failed",
  ].map((text) => consoleLine(`${now.toISOString().slice(0, 19).replace("T", " ")},000 - ${text}`, uptime));
  const keys = ["ecdsa-sha2-nistp256 AAAA", "ssh-ed25519 AAAA"].map((key) => `${key} root@${hostName}`);
  const fingerprints = [
    "#############################################################",
    "-----BEGIN SSH HOST KEY FINGERPRINTS-----",
    ...["ECDSA", "ED25519"].map((kind) => `256 SHA256:${"0".repeat(43)} root@${hostName} (${kind})`),
    "-----END SSH HOST KEY FINGERPRINTS-----",
    "#############################################################",
  ].map((text) => `<14>${now.toUTCString().slice(5, 25)} cloud-init: ${text}`);
  const plain = [
    "ci-info: no authorized SSH keys fingerprints found for user ec2-user.",
    ...fingerprints,
    ...["-----BEGIN SSH HOST KEY KEYS-----", ...keys, "-----END SSH HOST KEY KEYS-----"],
  ].map((text) => `${text}\r\n`);
  const end = `Cloud-init v. 22.2.2 finished at ${now.toUTCString()}. Datasource DataSourceEc2.  Up ${uptime.toFixed(2)} seconds`;
  const login = ["", "Amazon Linux 2023", "Kernel 6.12 on this machine (-)", "", `${hostName} login: `].join("\r\n");
  return [...(status === "0" ? [] : failed), ...plain, consoleLine(end, uptime), login].join("");
}

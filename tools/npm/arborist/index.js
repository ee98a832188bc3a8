// Pulumi's SDK loads npm's arborist in every process, and uses it only where a Lambda function is made of a closure (runtime/closure/codePaths.js).
// Without it there are a hundred packages less to install, and a fifth of the time in which the SDK is loaded.
exports.Arborist = class {
  constructor() {
    throw new Error('@npmcli/arborist is left out: see "overrides" in package.json');
  }
};

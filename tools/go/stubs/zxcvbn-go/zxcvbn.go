// Package zxcvbn gives the CLI's one import of this fork the module that it was forked from, which the CLI imports too.
package zxcvbn

import original "github.com/nbutton23/zxcvbn-go"

// PasswordStrength guesses how long a password withstands guessing.
var PasswordStrength = original.PasswordStrength

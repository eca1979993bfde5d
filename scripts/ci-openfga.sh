#!/usr/bin/env bash
# Builds the OpenFGA server that tests/access compares Remit with, where there is Go to build it with. One that was built is
# kept in Go's own bin directory; whatever else is on PATH under this name is taken as it is.
set -euo pipefail

version=v1.18.1
command -v go >/dev/null || { echo "ci-openfga: no Go here; the tests that need an OpenFGA server are skipped"; exit 0; }
built="$(go env GOPATH)/bin/openfga"
command -v openfga >/dev/null || [ -x "$built" ] || timeout 1500 go install "github.com/openfga/openfga/cmd/openfga@$version"

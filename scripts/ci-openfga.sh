#!/usr/bin/env bash
# Builds the OpenFGA server that tests/access compares Remit with, where there is Go to build it with. One that was built is
# kept in Go's own bin directory for as long as it is this version; whatever else is on PATH under this name is taken as it is.
set -euo pipefail

version=v1.18.1 sum=h1:scfXscw1co45EJxPHSWQ9OXso+MnmkkGEdQ3+Y2P4mo=
command -v go >/dev/null || { echo "ci-openfga: no Go here; the tests that need an OpenFGA server are skipped"; exit 0; }
path=$(go env GOPATH)
bin="${path%%:*}/bin"

built() { [[ $(go version -m "$bin/openfga" 2>/dev/null) == *$'\tgithub.com/openfga/openfga\t'"$version"$'\t'"$sum"* ]]; }

if ! command -v openfga >/dev/null && ! built; then
  GOBIN="$bin" timeout 1500 go install "github.com/openfga/openfga/cmd/openfga@$version"
  built || { echo "ci-openfga: what was built is not OpenFGA $version as it is pinned here" >&2; exit 1; }
fi

# Sourced: if MUTANT names one, the workspace's crates are compiled with that bug. By a compiler of their own, so that what they
# depend on is not built again.
if [ -n "${MUTANT:-}" ]; then
  folder=$(mktemp -d)
  trap 'rm -r "$folder"' EXIT
  export RUSTC_WORKSPACE_WRAPPER=$folder/$MUTANT
  printf '#!/bin/sh\nexec "$@" --cfg "mutant=\\"%s\\""\n' "$MUTANT" >"$RUSTC_WORKSPACE_WRAPPER"
  chmod +x "$RUSTC_WORKSPACE_WRAPPER"
fi

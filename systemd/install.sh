#!/bin/sh
# Put speakerd on this machine as a systemd service, or bring the one that is there up to date. As root; may be run again.
#
#   PYTHON=python3.11   another interpreter
#   WHEELS=FOLDER       take every Python package from this folder, not from an index (make wheels fills one)
#   LOCAL=no            without the embedded service's ears and voice (110 MB), for those who have an account
#
# A release is a virtual environment under /opt/speakerd.releases, and /opt/speakerd is a link to the one in use. A virtual
# environment knows its own path, so it cannot be built elsewhere and moved: it is made where it stays, beside the one
# that runs, and only the link changes. What can fail for want of a network or for a wrong file fails before that.
set -eu
umask 022 # the service's user reads what root installs
cd "$(dirname "$0")/.."

link=/opt/speakerd
releases=/opt/speakerd.releases
config=/etc/speakerd/speakerd.yaml
unit=/etc/systemd/system/speakerd.service
newer=/etc/systemd/system/speakerd.service.d/05-systemd-254.conf
python=${PYTHON:-python3}
steady_s=3 # a release that dies this soon after READY was not ready (chosen: the unit's RestartSec)

say() { echo "==> $*"; }
fail() {
  echo "speakerd: $*" >&2
  exit 1
}
systemd_runs() { [ -d /run/systemd/system ]; }
property() { systemctl show --property="$1" --value speakerd; }

# --- before anything that runs is touched ---------------------------------------------------------------------------

look() {
  [ "$(id -u)" = 0 ] || fail "make install writes to /opt and /etc: run it with sudo"
  command -v systemctl >/dev/null || fail "there is no systemd on this machine: run 'speakerd run' by other means"
  exec 9>/run/speakerd-install.lock
  flock --nonblock 9 || fail "another make install is at work: wait until it has ended"
  old="" first=yes was=inactive
  if [ -L $link ]; then old=$(readlink $link); elif [ -d $link ]; then old=$link; fi
  if [ -n "$old" ] && [ -e $unit ]; then first=no; fi
  if systemd_runs; then was=$(property ActiveState); fi
}

choose_source() {
  # sudo forgets PIP_CERT and its like; the machine's own store holds a private CA, pip's own does not.
  store=/etc/ssl/certs/ca-certificates.crt
  if [ -z "${PIP_CERT:-}" ] && [ -r $store ]; then export PIP_CERT=$store; fi
  [ -n "${WHEELS:-}" ] || return 0
  folder=$(CDPATH="" cd "$WHEELS" 2>/dev/null && pwd) || fail "there is no folder of wheels at $WHEELS: make wheels WHEELS=$WHEELS"
  WHEELS=$folder
  case $WHEELS in *[[:space:]]*) fail "pip cannot read a folder with a blank in its path: $WHEELS" ;; esac
  export PIP_NO_INDEX=1 PIP_FIND_LINKS="$WHEELS"
}

make_user() {
  say "user speakerd"
  rm -f /usr/lib/sysusers.d/speakerd.conf # where it was once; /usr/lib is for packages
  install -D -m 644 systemd/speakerd.sysusers /etc/sysusers.d/speakerd.conf
  install -D -m 644 systemd/speakerd.tmpfiles /etc/tmpfiles.d/speakerd.conf
  systemd-sysusers /etc/sysusers.d/speakerd.conf
  # The Azure Arc agent's group, where there is one. Not in the sysusers file: that would make the group.
  if getent group himds >/dev/null; then usermod --append --groups himds speakerd; fi
  systemd-tmpfiles --create /etc/tmpfiles.d/speakerd.conf
}

build() {
  version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' speakerd/__init__.py)
  new=$releases/$version-$(date -u +%Y%m%d%H%M%S)
  set_of_packages=local
  if [ "${LOCAL:-yes}" = no ]; then set_of_packages=run; fi
  say "speakerd $version in $new ($("$python" --version))"
  mkdir -p $releases
  mkdir "$new"
  "$python" -m venv "$new"
  set -- "$new/bin/python" -m pip --disable-pip-version-check install --quiet --no-deps
  "$@" --use-pep517 --require-hashes -r .lock/build.txt
  "$@" --use-pep517 --require-hashes --no-build-isolation -r .lock/$set_of_packages.txt
  "$@" --no-build-isolation .
  install -D -m 644 README.md "$new/share/doc/speakerd/README.md"
}

fetch_models() {
  say "wake word models, by digest, and what their owners allow"
  # Those of the release in use are looked at again byte for byte, but not fetched again.
  if [ -n "$old" ] && [ -d $link/share/speakerd/models ]; then
    mkdir -p "$new/share/speakerd"
    cp -R --link $link/share/speakerd/models "$new/share/speakerd/"
  fi
  "$new/bin/speakerd" fetch-models
}

check_config() {
  say "$config"
  if [ -e $config ]; then echo "    kept as it is"; else install -D -m 644 config/speakerd.yaml $config; fi
  set -- "$new/bin/speakerd" check-config $config
  # As the service reads it: by its user, and with its variables, which may fill what the file leaves open.
  if systemd_runs; then
    set -- systemd-run --quiet --wait --pipe --uid=speakerd --property=EnvironmentFile=-/etc/speakerd/environment "$@"
  else
    set -- runuser -u speakerd -- "$@"
  fi
  "$@" || fail "$config is wrong, see above; nothing that runs was touched. Correct it first"
}

# --- the change-over, and the way back ------------------------------------------------------------------------------

point_to() { # atomic: there is always a release to start
  ln -sfn "$1" $link.next
  mv -fT $link.next $link
}

put_unit() {
  install -D -m 644 systemd/speakerd.service $unit
  install -D -m 644 systemd/speakerd.modules-load /etc/modules-load.d/speakerd.conf
  rm -f $newer
  # 252 does not know its keys and would say so in the journal at every daemon-reload.
  if [ "$(systemctl --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p')" -ge 254 ]; then
    install -D -m 644 systemd/systemd-254.conf $newer
  fi
}

switch() {
  before=$(mktemp -d)
  for file in $unit $newer; do if [ -e "$file" ]; then cp -p "$file" "$before/"; fi; done
  phase=switched
  # A release from the time when /opt/speakerd was the environment itself: it runs on, but only at that path.
  if [ "$old" = $link ]; then mv -T $link $releases/early; fi
  point_to "$new"
  ln -sfn $link/bin/speakerd /usr/local/bin/speakerd
  put_unit
}

becomes_ready() { # READY comes before systemctl returns; then it must stay
  systemctl restart speakerd || return 1
  pid=$(property MainPID)
  sleep $steady_s
  [ "$(property ActiveState)" = active ] && [ "$(property MainPID)" = "$pid" ]
}

start() {
  if ! systemd_runs; then
    if [ $first = yes ]; then systemctl enable --quiet speakerd; fi
    say "systemd does not run here: the service starts with the next boot that has it"
    return
  fi
  if command -v modprobe >/dev/null; then modprobe --quiet snd || true; fi # as /etc/modules-load.d does from the next boot on
  systemctl daemon-reload
  if [ $first = yes ]; then
    systemctl enable --quiet speakerd
  elif [ "$was" = inactive ]; then
    say "it was stopped and stays so: sudo systemctl start speakerd"
    return
  fi
  say "waiting until it is ready"
  if becomes_ready; then
    say "ready: $(property StatusText)"
    return
  fi
  journalctl --unit=speakerd --lines=60 --no-pager --output=cat >&2 || true
  [ $first = no ] || { phase=complete; fail "it is installed but does not become ready: see above, and journalctl -u speakerd"; }
  exit 1 # back to the old one, by leave
}

roll_back() {
  say "back to $old" >&2
  systemctl stop speakerd || true
  if [ "$old" = $link ]; then
    rm -f $link
    mv -T $releases/early $link
  else
    point_to "$old"
  fi
  rm -f $newer
  if [ -e "$before/speakerd.service" ]; then cp -p "$before/speakerd.service" $unit; fi
  if [ -e "$before/${newer##*/}" ]; then install -D -m 644 "$before/${newer##*/}" $newer; fi
  systemctl daemon-reload
  if becomes_ready; then
    echo "speakerd: the new release did not become ready; the one before runs again, with its own unit." >&2
    echo "What the new one said stands above. Correct that, then: sudo make install" >&2
  else
    echo "speakerd: neither the new release nor the one before becomes ready: journalctl -u speakerd" >&2
  fi
}

leave() { # with whatever exit code: nothing half done stays
  code=$?
  trap - EXIT
  trap '' INT TERM HUP # a second Ctrl-C, or a terminal that is shut, must not stop the way back half way
  set +e
  if [ $phase = switched ] && [ $first = no ] && systemd_runs; then roll_back; fi
  if [ $phase != complete ]; then
    if [ -n "$new" ] && [ "$(readlink $link)" != "$new" ]; then rm -rf "$new"; fi
  fi
  if [ $phase = building ]; then echo "speakerd: it was not installed; what runs was not touched. Then again: sudo make install" >&2; fi
  rm -rf "$before"
  exit $code
}

tidy() { # the releases that are not in use
  for release in "$releases"/*; do
    if [ "$release" != "$new" ]; then rm -rf "$release"; fi
  done
}

phase=building new="" before=""
look
trap leave EXIT
trap 'exit 130' INT TERM HUP
PYTHON=$python sh .ci/packages.sh build
choose_source
make_user
build
fetch_models
check_config
switch
start
phase=complete
tidy
cat <<'NEXT'

What now:
  speakerd doctor                        hear, speak, reach the service: what works and what does not
  sudo nano /etc/speakerd/speakerd.yaml  voice, instructions, service, cards
  sudo systemctl reload speakerd         applies it; a wrong file is refused, with the line
  sudo speakerd login                    once, where auth.method is device_code
Then say "hey Jarvis, what time is it?"
NEXT

#!/bin/sh
# Put speakerd on this machine: /opt/speakerd, /etc/speakerd, a systemd service. As root; may be run again.
# DESTDIR-like use is not supported: the virtual environment knows its own path.
set -eu
cd "$(dirname "$0")/.."

python=${PYTHON:-python3}
prefix=/opt/speakerd
[ "$(id -u)" = 0 ] || { echo "make install writes to $prefix and /etc: run it with sudo" >&2; exit 1; }

PYTHON=$python sh .ci/packages.sh build

echo "==> user speakerd"
if command -v systemd-sysusers >/dev/null; then
  install -D -m 644 systemd/speakerd.sysusers /usr/lib/sysusers.d/speakerd.conf
  systemd-sysusers /usr/lib/sysusers.d/speakerd.conf
else
  id speakerd >/dev/null 2>&1 ||
    useradd --system --home-dir /var/lib/speakerd --shell /usr/sbin/nologin --groups audio speakerd
fi

echo "==> $prefix ($($python --version), about 150 MB)"
[ -x $prefix/bin/python ] || "$python" -m venv $prefix
pip="$prefix/bin/python -m pip --disable-pip-version-check install --quiet --use-pep517 --require-hashes --no-deps"
$pip -r .lock/build.txt
$pip --no-build-isolation -r .lock/local.txt
$prefix/bin/python -m pip --disable-pip-version-check install --quiet --no-deps --no-build-isolation --force-reinstall .
install -D -m 644 README.md $prefix/share/doc/speakerd/README.md

echo "==> wake word models"
$prefix/bin/speakerd fetch-models

echo "==> /etc/speakerd/speakerd.yaml"
if [ -e /etc/speakerd/speakerd.yaml ]; then
  echo "    kept as it is"
else
  install -D -m 644 config/speakerd.yaml /etc/speakerd/speakerd.yaml
fi
$prefix/bin/speakerd check-config /etc/speakerd/speakerd.yaml
ln -sf $prefix/bin/speakerd /usr/local/bin/speakerd

install -D -m 644 systemd/speakerd.service /etc/systemd/system/speakerd.service
install -D -m 644 systemd/speakerd.modules-load /etc/modules-load.d/speakerd.conf
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
  systemctl enable --quiet speakerd
  systemctl restart speakerd
  echo "==> running: systemctl status speakerd"
else
  echo "==> systemd does not run here: the service starts with the next boot that has it"
fi
cat <<'NEXT'

What now:
  speakerd devices                       which sound cards there are
  sudo nano /etc/speakerd/speakerd.yaml  voice, instructions, service, cards
  speakerd check-config                  every problem at once
  sudo systemctl restart speakerd        then say "hey Jarvis"
NEXT

#!/bin/sh
# Take speakerd off this machine. As root; may be run again.
#
#   PURGE=1   also what is the owner's: configuration, sign-in, ledger, the drop-ins of the unit, the user
set -eu

[ "$(id -u)" = 0 ] || { echo "make uninstall writes to /opt and /etc: run it with sudo" >&2; exit 1; }
exec 9>/run/speakerd-install.lock
flock --nonblock 9 || { echo "speakerd: a make install is at work: wait until it has ended" >&2; exit 1; }
drop_ins=/etc/systemd/system/speakerd.service.d

if [ -e /etc/systemd/system/speakerd.service ]; then
  echo "==> stopping the service"
  if [ -d /run/systemd/system ]; then systemctl --quiet disable --now speakerd; else systemctl --quiet disable speakerd; fi
fi

echo "==> removing the program"
rm -f /etc/systemd/system/speakerd.service $drop_ins/05-systemd-254.conf /etc/modules-load.d/speakerd.conf
rm -f /usr/lib/sysusers.d/speakerd.conf /etc/sysusers.d/speakerd.conf /etc/tmpfiles.d/speakerd.conf
if [ "$(readlink /usr/local/bin/speakerd)" = /opt/speakerd/bin/speakerd ]; then rm -f /usr/local/bin/speakerd; fi
rm -rf /opt/speakerd /opt/speakerd.next /opt/speakerd.releases /run/speakerd /var/cache/speakerd

if [ "${PURGE:-}" = 1 ]; then
  echo "==> removing configuration, sign-in, ledger and user"
  rm -rf $drop_ins /etc/speakerd /var/lib/speakerd
  if id speakerd >/dev/null 2>&1; then
    userdel speakerd || echo "    the user speakerd is still there: end its processes (ps -u speakerd), then again" >&2
  fi
  # userdel takes the group of the same name along, unless somebody else was put into it.
  if getent group speakerd >/dev/null; then groupdel speakerd || true; fi
  for secret in /etc/credstore/api-key /etc/credstore/certificate /etc/credstore.encrypted/api-key /etc/credstore.encrypted/certificate; do
    # Their names are not ours alone: another service may use the same file.
    if [ -e "$secret" ]; then echo "    left, for you to judge: $secret"; fi
  done
else
  rmdir --ignore-fail-on-non-empty $drop_ins 2>/dev/null || true
  echo "    kept: /etc/speakerd, /var/lib/speakerd and the user speakerd (make uninstall PURGE=1 takes them along)"
fi

if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
  systemctl reset-failed speakerd 2>/dev/null || true
fi
echo "==> speakerd is gone"

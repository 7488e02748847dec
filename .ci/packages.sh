#!/bin/sh
# Install the system packages that are missing, through the machine's own package manager.
# Usage: packages.sh build | test | peers | a53      PYTHON may name the interpreter.
# What is missing is found by looking for the thing itself, so that any way of having it will do.
set -eu

python=${PYTHON:-python3}
missing=""
need() { missing="$missing $1"; }
has_header() { echo "#include <$1>" | "${CC:-cc}" -E -x c - >/dev/null 2>&1; }

command -v "$python" >/dev/null || { echo "there is no $python: install Python 3.11 or newer" >&2; exit 1; }
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "speakerd needs Python 3.11 or newer; $python is $("$python" --version). Name another: make PYTHON=python3.11 ..." >&2
  exit 1
}

command -v "${CC:-cc}" >/dev/null || need gcc
has_header stdlib.h || need libc6-dev
has_header alsa/asoundlib.h || need libasound2-dev
has_header systemd/sd-daemon.h || need libsystemd-dev
command -v pkg-config >/dev/null || need pkg-config
"$python" -c 'import ensurepip, venv' 2>/dev/null || need python3-venv
"$python" -c 'import os, sysconfig, sys; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' ||
  need python3-dev
# takes out noise before the wake word where wake.noise_suppression is true
"$python" -c 'import ctypes; ctypes.CDLL("libspeexdsp.so.1")' 2>/dev/null || need libspeexdsp1
if [ "${1:-build}" = test ]; then
  # voices for the wake word's tests
  command -v espeak-ng >/dev/null || need espeak-ng
  command -v flite >/dev/null || need flite
  # a machine that is booted, to install on; only root can boot one
  if [ "$(id -u)" = 0 ]; then
    command -v systemd-nspawn >/dev/null || need systemd-container
    command -v mmdebstrap >/dev/null || need mmdebstrap
  fi
fi
if [ "${1:-build}" = peers ]; then
  # what the peers of `speakerd bench peers` play through
  PATH="$PATH:/sbin:/usr/sbin" ldconfig -p | grep -q libportaudio.so.2 || need libportaudio2
fi
if [ "${1:-build}" = a53 ]; then
  # what makes the emulated machine of `make bench-a53`; the emulator itself comes with its release
  command -v mmdebstrap >/dev/null || need mmdebstrap
  command -v cpio >/dev/null || need cpio
fi

[ -n "$missing" ] || exit 0
echo "==> system packages:$missing"
as_root=""
if [ "$(id -u)" != 0 ]; then
  as_root=sudo
  command -v sudo >/dev/null || { echo "not root and no sudo: as root, run: apt-get install$missing" >&2; exit 1; }
fi
command -v apt-get >/dev/null || { echo "no apt-get here: install the equivalents of:$missing" >&2; exit 1; }
$as_root apt-get update -qq
# shellcheck disable=SC2086 # a list of names
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null

"""Building and configuring the virtual card."""

from __future__ import annotations

from pathlib import Path

import pytest

from speakerd.core.errors import DeviceError, Remedy
from speakerd.demo.simcard import SOURCE_NAMES, CardProfile, build, find_source, write_asound_conf
from tests.fakes.simcards import built_plugin


def test_source_is_complete():
    """All files of the plugin lie beside its main one."""
    source = find_source()
    assert all(source.with_name(name).is_file() for name in SOURCE_NAMES)


def test_plugin_is_built_once(tmp_path):
    """A plugin newer than its source is not built again."""
    built_plugin()
    first = build(tmp_path)
    built_ns = first.stat().st_mtime_ns
    assert build(tmp_path) == first
    assert first.stat().st_mtime_ns == built_ns
    assert [path.name for path in tmp_path.iterdir()] == [first.name]


def test_missing_compiler_is_named(tmp_path, monkeypatch):
    """Without a compiler the error says what to install."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DeviceError, match="install gcc") as caught:
        build(tmp_path)
    assert (caught.value.code, caught.value.remedy) == ("simcard-build", Remedy.OPERATOR)


@pytest.mark.parametrize(
    ("complaint", "advice"),
    [("fatal error: alsa/asoundlib.h: No such file", "install libasound2-dev"), ("out of memory", "out of memory")],
)
def test_failed_build_says_what_to_do(tmp_path, monkeypatch, complaint, advice):
    """Missing headers name their package; any other complaint is passed on."""
    compiler = tmp_path / "gcc"
    compiler.write_text(f"#!/bin/sh\necho '{complaint}' >&2\nexit 1\n", encoding="utf-8")
    compiler.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(DeviceError, match=advice):
        build(tmp_path / "cache")


def test_configuration_names_both_directions_and_the_default(tmp_path):
    """ALSA's own configuration comes first; mic, speaker and default follow, each with its own card."""
    mic = CardProfile(16_000, 16_000, 1, 1, "S16_LE", echo_gain_db=-6.0, rir=Path("/some/rir"))
    conf = write_asound_conf(
        tmp_path, Path("/a/room"), Path("/a/plugin.so"), card=mic, playback_card=CardProfile(ppm=-50)
    )
    text = conf.read_text(encoding="utf-8")
    assert text.startswith("</usr/share/alsa/alsa.conf>\n")
    before, speaker = text.split("pcm.speaker {")
    assert 'pcm_type.simcard { lib "/a/plugin.so" }' in before
    for line in ("rate_max 16000", "channels_max 1", 'format "S16_LE"', "echo_gain_db -6.0", 'rir "/some/rir"'):
        assert f"    {line}\n" in before
    assert "noise_dbfs" not in text
    assert "ppm -50" in speaker
    assert "asym" in speaker

"""What to do now, by stable code; what is not here is told by the remedy. Pure."""

from __future__ import annotations

from speakerd.core.errors import Remedy, SpeakerdError

_ROLE = (
    "give the account, or the app, the role 'Cognitive Services OpenAI User' on the resource (Access control) and wait "
    "five minutes"
)

_BY_CODE = {
    "device-missing": "run 'speakerd devices' and write a name from it into audio.capture.device or "
    "audio.playback.device; a HAT needs its dtoverlay in config.txt",
    "device-busy": "another program has the card: 'sudo fuser -v /dev/snd/*' names it. Is it speakerd, then "
    "sudo speakerd doctor; else end it, or give both a shared PCM",
    "device-denied": "the user is not in the group audio: sudo usermod -aG audio NAME, then log in again; the "
    "service's user: sudo usermod -aG audio speakerd && sudo systemctl restart speakerd",
    "device-format": "name the card itself with a plughw: name from 'speakerd devices'",
    "device-lost": "look at plug and power supply; dmesg tells what the kernel saw",
    "device-stalled": "the card or a sound server behind it does not answer: restart the sound server, replug the card",
    "device-channel": "set audio.capture.channel to auto, or to a channel that the card has",
    "link-http-400": "service.model must be the name of a realtime model; on Azure that of its deployment",
    "link-http-401": "speakerd login; with a key: is it the one of this resource, and is the clock right?",
    "link-http-403": f"{_ROLE}; where the resource allows chosen networks only, add this one",
    "link-http-404": "compare service.endpoint with the resource's page and service.model with the deployment's name",
    "link-http-429": "wait a minute; if it stays, raise the deployment's quota or stop other clients",
    "link-dns": "is the host in service.endpoint spelled right? 'resolvectl query HOST' asks the resolver",
    "link-refused": "is the port in service.endpoint right, and does the service run?",
    "link-timeout": "is the network up? A firewall that drops packets looks like this: allow outgoing TCP 443",
    "link-tls": "look at the line tls above",
    "auth-signed-out": "speakerd login",
    "auth-refused": f"the sign-in is good, the service does not take it: {_ROLE}; is auth.tenant the resource's?",
    "wake-model-missing": "speakerd fetch-models; a model of your own: write its path into wake.models as it is",
    "wake-model-corrupt": "speakerd fetch-models",
    "endpoint-invalid": "set service.endpoint; 'speakerd check-config' says what is allowed",
    "daemon-unreachable": "systemctl start speakerd",
}

_BY_REMEDY = {
    Remedy.RETRY: "try again in a moment; if it stays, look at the message",
    Remedy.RECONNECT: "run speakerd doctor again",
    Remedy.REAUTHENTICATE: "speakerd login",
    Remedy.OPERATOR: "change what the message names, then run speakerd doctor again",
    Remedy.EXIT: "change the configuration, then run speakerd doctor again",
}

CERTIFICATES = {
    9: "the certificate is not valid yet, so this machine's clock is behind: timedatectl set-ntp true",
    10: "the certificate has ended: is this clock right (timedatectl)? If so, the service's owner must renew it",
    18: "the service signed its certificate itself: put it into a file and name that in SSL_CERT_FILE",
    19: "an authority this machine does not know signed it: where a company looks into its traffic, put its root "
    "certificate into /usr/local/share/ca-certificates (.crt) and run update-ca-certificates, or name it in "
    "SSL_CERT_FILE in /etc/speakerd/environment",
    62: "the certificate is for another host: compare service.endpoint with the name above",
}
"""What to do about a certificate, by OpenSSL's reason for refusing it (specified by OpenSSL)."""

CERTIFICATES |= dict.fromkeys((2, 20, 21), CERTIFICATES[19])


def advice_for(error: SpeakerdError) -> str:
    """Return what to do about an error."""
    return _BY_CODE.get(error.code) or _BY_REMEDY[error.remedy]


def advice_by_code(code: str) -> str:
    """Return what to do about an error of which only the code has come."""
    return _BY_CODE.get(code, "look for the code in the README's table of troubleshooting")


def advice_for_certificate(verify_code: int) -> str:
    """Return what to do about a certificate that was refused."""
    return CERTIFICATES.get(
        verify_code, "is this machine's clock right, and are its certificates (ca-certificates) new?"
    )

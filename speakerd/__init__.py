"""speakerd: a smart speaker for the Raspberry Pi.

Say a wake word, it answers. The microphone is heard on the device; only after the wake word does audio go to a
GPT Realtime session, and the spoken reply comes back through ALSA. Start reading at ``core/conversation.py``.
"""

__version__ = "0.1.0"

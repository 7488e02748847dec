"""The GPT Realtime service: its words (wire), its rules (session), its socket (link)."""

"""OCPP on the wire: frames, the words of its versions, and what they are among the words of `hub.chargers.events`."""

"""What navigation apps and everybody else can ask over HTTP: the only part of `hub.navigation` that knows a web framework."""

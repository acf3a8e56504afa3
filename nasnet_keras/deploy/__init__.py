"""Models for other programs: servers, phones, other frameworks."""

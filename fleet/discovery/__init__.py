"""Who else is out there: from the settings (static), or from Consul, where every relay registers itself."""

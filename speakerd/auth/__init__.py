"""Who we are to the service: credentials as headers, fetched ahead of need."""

"""Jobs: commands that run one after the other, outlive the server, and can be cancelled."""

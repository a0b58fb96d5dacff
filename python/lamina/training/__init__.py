"""What a fit is asked for, watches and reports: options, callbacks, scores."""

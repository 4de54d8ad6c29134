"""The pages, a module each; ``application`` finds them by themselves."""

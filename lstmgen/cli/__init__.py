"""Commands of the command line that have a module each; importing one imports click alone."""

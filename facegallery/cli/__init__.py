"""The command line: parse, call the gallery, print. The only place that prints or exits."""

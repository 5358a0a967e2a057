"""The command line. Each command has its own file, which is imported when the command is used."""

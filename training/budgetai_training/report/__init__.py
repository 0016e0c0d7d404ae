"""What a run did, as report.json for programs and report.html for people."""

"""What several tests share: tiny models, repositories with commits, servers and their faults."""

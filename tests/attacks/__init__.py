"""What attackers send, as readable rows, and the checks that none of it leaves the edge."""

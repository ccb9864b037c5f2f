"""Risk: the guardian that approves, denies, holds and stops, and the keeper of the leaderboard."""

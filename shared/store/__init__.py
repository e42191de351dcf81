"""The fleet's models on disk: what they consist of, who has them, who may fetch them, and what may go."""

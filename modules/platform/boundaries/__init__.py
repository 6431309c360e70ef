"""What is declared and what is true never differ: checked four ways."""

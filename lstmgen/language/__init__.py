"""What people write: equations in Python and as papers print them."""

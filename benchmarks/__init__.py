"""Programs that measure; nothing in lstmgen imports them."""

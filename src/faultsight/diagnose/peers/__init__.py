"""What TelApart is compared with, one file each."""

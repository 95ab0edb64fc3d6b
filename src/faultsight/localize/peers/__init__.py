"""The methods that ours are compared with, one file each; the file name is the method's name."""

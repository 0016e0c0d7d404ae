"""Files on disk through which training, conversion and serving exchange their results."""

"""What stands in the files of a drawn world, one file format a module. Nothing here touches the disk."""

"""What every long work needs: its folder, whole files, its end."""

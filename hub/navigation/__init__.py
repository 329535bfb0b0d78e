"""What a driver's map needs: live availability of Locations, and open data of them."""

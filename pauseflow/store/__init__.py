"""Redis behind typed methods: nothing outside this package imports redis."""

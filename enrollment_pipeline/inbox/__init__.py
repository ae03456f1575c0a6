"""The inbox: files dropped into its folders are given to whoever makes something of them."""

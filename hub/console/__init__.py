"""Web pages for clearing staff and operators: accounts, the clearing desk and the operator's desk.

Pages are made on the server and read the same desks as the admin API does; a browser without scripts sees and does all of it, only less
comfortably. Nothing is loaded from anywhere else.
"""

"""`python -m remit_server.cli`"""

from remit_server.cli import main

main(prog_name="remit")

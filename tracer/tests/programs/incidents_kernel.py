"""A Jupyter kernel: a cell that is interrupted, then one that ends the kernel."""

import sys
import time

from jupyter_client.manager import start_new_kernel

manager, client = start_new_kernel()
print("worker %d" % manager.provisioner.pid, flush=True)
sys.stdin.readline()
client.execute("import time; time.sleep(60)")
while client.get_iopub_msg(timeout=30)["msg_type"] != "execute_input":
    pass
time.sleep(0.2)  # from its echo to its sleep
manager.interrupt_kernel()
while client.get_iopub_msg(timeout=30)["msg_type"] != "error":
    pass
print("interrupted", flush=True)
sys.stdin.readline()
client.execute("def leave():\n    import os\n    os._exit(9)\nleave()")
manager.provisioner.process.wait()

"""What is written in C, and may be missing: `heads` takes plain heads apart, `lane` serves plain requests from recv(2)
to send(2). `choice` tells whether they are used.
"""

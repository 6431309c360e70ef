"""One door, one or many processes: who serves, who supervises, how they speak.

orders       what a worker is told, and the port that the data path implements
crew         the Fleet of the admin listener over its workers
supervisor   starts worker processes, restarts dead ones, keeps their sockets open
link         the same in the worker: obeys its supervisor until it is told to end
door         the data path as a worker
"""

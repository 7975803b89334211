"""What functions and classes are called in frames."""

from types import FunctionType, MethodType

from pauseflow.resumable.prepared import name_of


def test_the_classes_of_functions_have_names_like_others():
    assert name_of(FunctionType) == "builtins:function"
    assert name_of(MethodType) == "builtins:method"
    assert name_of(name_of) == "pauseflow.resumable.prepared:name_of"

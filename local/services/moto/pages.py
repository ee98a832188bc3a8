"""Pages: AWS returns lists in pages, and a page may have fewer items than requested; moto returns most lists on one page, which hides code
that reads only the first. Here a page has two items at most."""

import json
from collections import OrderedDict
from uuid import uuid4

from methods import replacing
from moto.core.responses import ActionContext, ActionResult, BaseResponse
from moto.core.utils import get_pagination_model

ITEMS = 2
# By the token of the next page: the remaining items, and moto's own token of what follows them.
left: OrderedDict[str, tuple[list, str | None]] = OrderedDict()


get_any_param = BaseResponse._get_param


@replacing(BaseResponse, "_get_param")
def without_token(_original, self: BaseResponse, param_name: str, if_none=None):
    """Hides this module's tokens from moto: to it, the next page is a new request."""
    value = get_any_param(self, param_name, if_none)
    return if_none if isinstance(value, str) and value in left else value


def paging_of(request: BaseResponse) -> dict | None:
    """How AWS names page and items of the list that is asked for. A request that names the items by id has no pages."""
    paging = get_pagination_model(request.boto3_service_name).get(request._get_action(), {})
    params = request.params if request.automated_parameter_parsing else json.loads(request.body or "{}")
    lists = [name for name in params if isinstance(params[name], list) and name.lower() not in ("filters", "owners")]
    return paging if isinstance(paging.get("result_key"), str) and not lists else None


@replacing(ActionResult, "execute_result")
def execute_result(original, self: ActionResult, context: ActionContext):
    paging, result = paging_of(context.response), self.result
    if paging and isinstance(result, dict):
        items, more = result.get(paging["result_key"]) or [], result.get(paging["output_token"])
        items, more = left.get(get_any_param(context.response, paging["input_token"]), (list(items), more))
        size = min(ITEMS, int(get_any_param(context.response, paging.get("limit_key", "")) or ITEMS))
        if len(items) > size:
            token = str(uuid4())
            left[token] = items[size:], more
            more = token
            if len(left) > 1000:
                left.popitem(last=False)
        result |= {paging["result_key"]: items[:size], paging["output_token"]: more}
        result |= {paging[key]: bool(more) for key in ["more_results"] if key in paging}
    return original(self, context)
